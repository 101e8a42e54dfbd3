"""Files have a bucket here. Uploads and downloads come with their own part of the product."""
