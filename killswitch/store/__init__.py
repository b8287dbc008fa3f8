"""The one truth: tables, transactions and one small repository a subject."""
