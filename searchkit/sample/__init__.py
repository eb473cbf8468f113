"""The bundled sample: abstracts, queries and judgements written for searchkit."""
