// Nothing: what is started in vain to know what a start costs.
