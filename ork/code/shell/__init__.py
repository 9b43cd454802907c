"""What command lines and shell scripts execute. Knows no other language but by its interpreter."""
