"""Getting pages from the network without being turned against it: checked addresses, bounded answers, good manners."""
