-- Manages the remote object again.
obj.spec.suspend = false
return obj
