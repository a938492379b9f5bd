"""From a plan to a bundle: the files of one stack, rendered from one set of numbers."""
