"""What crosses stages and files: frozen records, and nothing that computes."""
