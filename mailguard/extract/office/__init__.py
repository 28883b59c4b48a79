"""What the readers of office files share: zipped parts, streamed XML, old binary streams."""
