#pragma once
// What Terraform is given for one plan: its environment and the file of variables' values.

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "provisioner/protocol.h"
#include "provisioner/terraform/template_files.h"

namespace slipway::provisioner::terraform {

using Environment = std::map<std::string, std::string>;

// This process's.
Environment host_environment();

// The host's, with its cloud credentials, without what is Slipway's (SLIPWAY_*) and what would change how we run
// Terraform (TF_DATA_DIR, TF_WORKSPACE, TF_CLI_ARGS …).
Environment terraform_environment(const Environment& host, const Config& config);
// TF_VAR_slipway_…: of those a template takes what it declares.
void add_metadata(Environment& environment, const fleet::JobMetadata& metadata);
// TF_ names that come from the host, for the log.
std::vector<std::string> host_settings(const Environment& host);

// The values that the template takes, as a .tfvars.json: parameters win over variables of their name, and what it does
// not declare is left out. A value of a variable of another type than string, number or bool is JSON. Throws user
// VARIABLE_INVALID.
std::string variables_file(const TemplateFiles& files, const Plan& plan);

// Throws user REQUIRED_TEMPLATE_VARIABLES, or MISSING_TEMPLATE_PARAMETER where one that is missing is among
// `parameters`, with the names.
void check_required(const TemplateFiles& files, const Plan& plan, const Environment& environment,
                    const std::set<std::string>& parameters);

}  // namespace slipway::provisioner::terraform
