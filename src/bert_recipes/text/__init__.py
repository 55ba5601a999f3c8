"""Text on its way to a model: files, corpora, documents, tokens, chunks, masks, streams."""
