"""Files: where they are kept. Uploads and downloads come with their own part of the product."""
