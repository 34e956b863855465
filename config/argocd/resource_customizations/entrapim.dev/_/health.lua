-- Health of the kinds of entrapim.dev for Argo CD: one script for all of them.
-- A generation that the operator has not seen is never judged by an older status.
if obj.status == nil then
  -- A GrantBoundary is a rule: it is in force as it stands, and reports nothing.
  return { status = "Healthy", message = "in force as it stands" }
end

if obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not looked at this version yet" }
end

local by = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  by[condition.type] = condition
end

-- No retry can help: a person has to act.
local stalled = by["Stalled"]
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = stalled.message }
end

local ready = by["Ready"]
if ready == nil then
  return { status = "Progressing", message = "the operator has not reported yet" }
end

-- Somebody asked for nothing to be written: of this object, or of the whole tenant.
local paused = ready.reason == "Suspended" or ready.reason == "Observed" or ready.reason == "Frozen"
if ready.reason == "Drifted" and obj.spec.managementPolicy == "Observe" then
  paused = true
end
if ready.status == "True" and obj.kind == "EntraTenant" and obj.spec.freeze == true then
  paused = true
end
if paused then
  return { status = "Suspended", message = ready.message }
end

if ready.status ~= "True" then
  return { status = "Progressing", message = ready.message }
end

-- Applied as stated, and yet something about the rules of a PimPolicy looks like a mistake.
local sound = by["Sound"]
if sound ~= nil and sound.status == "False" then
  return { status = "Healthy", message = ready.message .. "; " .. sound.message }
end
return { status = "Healthy", message = ready.message }
