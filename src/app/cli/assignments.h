#pragma once
// NAME=VALUE of command lines, and files of names and values.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace slipway::app::cli {

// `option` names the option in errors. Throws VALIDATION_ERROR for a text without a name or '='.
std::map<std::string, std::string> read_assignments(const std::string& option, const std::vector<std::string>& texts);

// By how its name ends: .json, .tfvars (Terraform's own syntax; literal values), else TOML. What is no text is given as
// JSON. Throws VALIDATION_ERROR with the place.
std::map<std::string, std::string> read_values_file(const std::filesystem::path& file);

}  // namespace slipway::app::cli
