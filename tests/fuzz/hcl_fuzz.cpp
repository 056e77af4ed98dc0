// Terraform's files: read as a tree, and their literal values as JSON.

#include "base/json.h"
#include "fuzz.h"
#include "provisioner/terraform/hcl.h"

namespace {

using slipway::provisioner::terraform::HclBlock;

void check(const HclBlock& block) {
  for (const auto& attribute : block.attributes) {
    slipway::fuzz::must(attribute.place.line >= 1, "a place has a line");
    slipway::fuzz::must(
        attribute.source.find('\n') == std::string::npos || attribute.source.find("<<") != std::string::npos ||
            attribute.source.find("${") != std::string::npos || attribute.source.find("%{") != std::string::npos,
        "an expression is told on one line");
    // What is no UTF-8, or nested deeper than our reader goes, is for Terraform to refuse.
    if (attribute.json) slipway::fuzz::refused([&] { slipway::json::parse_value(*attribute.json); });
  }
  for (const auto& inner : block.blocks) {
    slipway::fuzz::must(inner.last_line >= inner.place.line, "a block ends after it begins");
    check(inner);
  }
}

}  // namespace

SLIPWAY_FUZZ(input) {
  using namespace slipway;
  HclBlock root;
  if (!fuzz::refused([&] { root = provisioner::terraform::parse_hcl(input, "main.tf"); })) check(root);
}
