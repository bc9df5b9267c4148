-- Polls and reconciles now.
local os = require("os")
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["industrydata.dev/requested-at"] = os.date("!%Y-%m-%dT%XZ")
return obj
