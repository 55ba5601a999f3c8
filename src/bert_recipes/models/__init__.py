"""Models: loading, tokenizers, the sparse head, adapters."""
