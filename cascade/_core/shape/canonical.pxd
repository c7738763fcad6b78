"""A structure key written out so that it means the same in every process."""
