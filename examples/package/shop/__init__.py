"""A package: its parts import each other relatively."""
