-- Leaves the remote object unchanged until it is resumed.
obj.spec.suspend = true
return obj
