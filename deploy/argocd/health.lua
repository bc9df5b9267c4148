-- Argo CD health status of a GraphConnection, an OutboundProvisioningFlowSet or a ProvisioningFlow. For an object that is
-- being deleted, Argo CD reports Progressing without calling this script.
local status = obj.status or {}
if status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not reconciled this generation yet" }
end
local found = {}
for _, condition in ipairs(status.conditions) do
  found[condition.type] = condition
end
local synced, ready = found.Synced or {}, found.Ready or {}
-- `Ready` keeps its status while a resource is suspended: only its reason changes.
if ready.reason == "Suspended" or synced.reason == "Suspended" then
  return { status = "Suspended", message = (ready.reason == "Suspended" and ready or synced).message }
end
if found.Stalled ~= nil then
  return { status = "Degraded", message = found.Stalled.message }
end
if found.Reconciling == nil and ready.status == "True" then
  return { status = "Healthy", message = ready.message }
end
-- Not ready yet, or `Ready` is Unknown: a reset is in progress, an edit has not been applied, or a list cannot be read.
return { status = "Progressing", message = (found.Reconciling or ready).message or "" }
