"""What pictures show: words and codes in them. An optional extra, loaded where it is asked for."""
