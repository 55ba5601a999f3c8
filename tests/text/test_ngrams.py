"""The n-grams are scikit-learn's, on texts that hypothesis makes up."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from bert_recipes.text.ngrams import count_known_ngrams, count_ngrams

TEXT = st.text(st.sampled_from("ab 好坏İß\t\n\x00\u3000\U00020bb7\U0010ffff\ud800"), max_size=8)


@given(st.lists(TEXT, min_size=2, max_size=6), st.lists(TEXT, min_size=1, max_size=4), st.sampled_from([1, 2]))
def test_counts_are_those_of_scikit_learn(texts, others, least_texts):
    texts = [f"{text}好" for text in texts]  # an empty vocabulary is an error there
    stock = CountVectorizer(analyzer="char", ngram_range=(1, 3), min_df=least_texts)
    expected = stock.fit_transform(texts).toarray()
    counts, vocabulary = count_ngrams(texts, least_texts)
    np.testing.assert_array_equal(counts.toarray(), expected)
    np.testing.assert_array_equal(count_known_ngrams(others, vocabulary).toarray(), stock.transform(others).toarray())
