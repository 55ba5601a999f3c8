"""What a model card says of how a model is loaded."""

from transformers import BertConfig

from bert_recipes.models.aspect_attention import AspectBertConfig
from bert_recipes.models.mean_pooling import MeanPoolingBertConfig
from bert_recipes.results.cards import usage


def test_plain_transformers_is_named_where_it_reads_the_model():
    task = "text-classification"
    assert usage(task, "out", BertConfig(), merged=True) == f'`transformers.pipeline("{task}", model="out")`'
    for config in (MeanPoolingBertConfig(), AspectBertConfig()):
        assert usage(task, "out", config, merged=True).startswith(
            "`recipes/predict.py --model_name_or_path out` labels"
        )
    assert "--model_name_or_path out/adapter`" in usage(task, "out", BertConfig(), merged=False)
