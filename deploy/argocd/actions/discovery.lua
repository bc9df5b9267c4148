-- Actions that Argo CD offers for a GraphConnection, an OutboundProvisioningFlowSet or a ProvisioningFlow.
local suspended = obj.spec.suspend == true
local deleted = obj.metadata.deletionTimestamp ~= nil
local actions = {
  ["sync-now"] = { displayName = "Sync Now", iconClass = "fa fa-fw fa-sync", disabled = deleted },
  ["suspend"] = { displayName = "Suspend", iconClass = "fa fa-fw fa-pause-circle", disabled = deleted or suspended },
  ["resume"] = { displayName = "Resume", iconClass = "fa fa-fw fa-play-circle", disabled = deleted or not suspended },
}
if obj.kind == "ProvisioningFlow" then
  -- Only a flow that exists and that the operator manages can be reset.
  local id = obj.status ~= nil and obj.status.id or nil
  local observed = obj.spec.managementPolicy == "Observe"
  actions["reset"] = {
    displayName = "Reset",
    iconClass = "fa fa-fw fa-undo",
    disabled = deleted or suspended or observed or id == nil,
  }
end
return actions
