"""Trained translators to a hub of models, and from it: huggingface.co, or that at HF_ENDPOINT.

Nothing that comes from there is executed: it is safetensors and TOML, and components by name.
"""
