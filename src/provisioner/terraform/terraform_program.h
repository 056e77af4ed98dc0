#pragma once
// Which Terraform there is: found, and asked for its version.

#include <filesystem>
#include <string>

#include "provisioner/terraform/terraform_input.h"

namespace slipway::provisioner::terraform {

struct TerraformProgram {
  std::string path;
  std::string name;     // Terraform or OpenTofu
  std::string version;  // 1.11.4
  bool init_has_json = false;
  Dialect dialect = Dialect::terraform;
};

// `wanted` is a path or a name; empty: the host's SLIPWAY_TERRAFORM, else terraform, else tofu. Throws internal
// PROVISIONER_UNAVAILABLE with what to do: there is none, it cannot be run, or it is older than 1.1 (whose -json plan
// and show are the first that are complete).
TerraformProgram find_terraform(const std::string& wanted, const Environment& host);

// a.b.c, numerically; what follows a hyphen is passed over.
bool is_at_least(std::string_view version, int major, int minor);

}  // namespace slipway::provisioner::terraform
