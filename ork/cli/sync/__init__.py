"""Commands between stores: clone, push, pull, and the names of other stores."""
