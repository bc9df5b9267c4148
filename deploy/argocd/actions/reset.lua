-- Resets the flow once: the service provisions all of its data again.
local os = require("os")
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["industrydata.dev/reset-requested-at"] = os.date("!%Y-%m-%dT%XZ")
return obj
