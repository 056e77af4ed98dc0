#pragma once
// What `terraform show -json` says of a plan or a state (its "json output format"), without anything that is sensitive:
// both hold secrets in clear, so their text is never logged or passed on.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/template_parts.h"

namespace slipway::provisioner::terraform {

// The managed resources as they will be, and those that will go, with what will be done to each.
std::vector<fleet::Resource> resources_of_plan(std::string_view plan);

struct StateFacts {
  std::vector<fleet::Resource> resources;
  std::map<std::string, std::string> outputs;  // not the sensitive ones; what is no string as JSON
};
StateFacts facts_of_state(std::string_view state);

// Whether a state file, as Terraform keeps it, holds no resource. What cannot be read is not empty.
bool is_empty_state(std::string_view state_file);

}  // namespace slipway::provisioner::terraform
