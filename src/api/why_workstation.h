#pragma once
// Why a workstation is in the state it is in, and what makes it another.

#include "api/why_view.h"
#include "fleet/workstation.h"

namespace slipway::api {

// Whether it can be a workstation's id at all. Workspaces are asked for by other ids.
bool is_workstation_id(const std::string& id);
// What its record tells. What the run at work on it tells is for the caller to add, after the reasons and before what
// comes next.
Why explain_workstation(const fleet::Workstation& workstation);

}  // namespace slipway::api
