#pragma once
// What can be read off Terraform's files without running anything (RUN-22): a tree of blocks and attributes in which
// only literal values have a value.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "provisioner/terraform/hcl_tokens.h"

namespace slipway::provisioner::terraform {

struct HclAttribute {
  std::string name;
  HclPlace place;
  std::string source;                 // of the expression, on one line
  std::optional<std::string> json;    // of a literal value: strings, numbers, true, false, null, lists, objects
  std::optional<std::string> string;  // of a literal string
};

struct HclBlock {
  std::string type;
  std::vector<std::string> labels;
  HclPlace place;
  std::size_t last_line = 0;
  std::vector<HclAttribute> attributes;
  std::vector<HclBlock> blocks;

  const HclAttribute* attribute(std::string_view name) const;
};

// The body of a file, as a block without type. Throws hcl_error; blocks and values may be nested 64 deep.
HclBlock parse_hcl(std::string_view source, const std::string& file);

}  // namespace slipway::provisioner::terraform
