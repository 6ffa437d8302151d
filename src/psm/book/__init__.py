"""The book: executing chapters, staging and building their pages, and saying where every number came from."""
