#pragma once
// What a Terraform template declares, read off its files without running anything (RUN-22): *.tf and *.tf.json of its
// root folder, for OpenTofu *.tofu and *.tofu.json too, with override files merged in as Terraform does it.

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/template_parts.h"
#include "provisioner/terraform/hcl_tokens.h"

namespace slipway::provisioner::terraform {

enum class Dialect {
  terraform,
  tofu,  // of OpenTofu since 1.8, which reads x.tofu too, and then no x.tf
};

struct DeclaredVariable {
  fleet::TemplateVariable facts;
  HclPlace place;
  std::size_t last_line = 0;
};

struct TemplateFiles {
  std::vector<DeclaredVariable> variables;  // by name
  std::set<std::string> preset;             // that terraform.tfvars and *.auto.tfvars of the template set
  std::string backend;                      // its own kind of backend, or "cloud"; empty: none

  const DeclaredVariable* variable(std::string_view name) const;
};

// Variables that Slipway sets by itself (slipway_transition, slipway_workspace_name …) begin with this.
inline constexpr std::string_view kReservedPrefix = "slipway_";

// Throws user TEMPLATE_INVALID with file and line: of what is no HCL, of a variable that is declared twice or has an
// argument of the wrong kind, and of a folder without any file of Terraform.
TemplateFiles read_template_files(const std::filesystem::path& directory, Dialect dialect = Dialect::terraform);

}  // namespace slipway::provisioner::terraform
