"""The objects that a store keeps: kinds, their one byte form, trees. No disk, no clock."""
