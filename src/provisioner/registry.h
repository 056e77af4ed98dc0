#pragma once
// The provisioners that are built in, by type.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "provisioner/protocol.h"

namespace slipway::provisioner {

// `slipway provisioner TYPE` serves each over stdio.
std::vector<std::string> built_in_types();
// In this process. `tool` is the program that `terraform` runs: a path or a name; empty: SLIPWAY_TERRAFORM, else what
// is found. Throws PROVISIONER_UNKNOWN (user) for a type that is none of them.
std::unique_ptr<Provisioner> make_built_in(std::string_view type, const std::string& tool = {});
// As a process of its own, which outlives the daemon for long enough to end well: `program` (the path of slipway) with
// the arguments `provisioner TYPE`, and for `terraform` with what SLIPWAY_TERRAFORM names.
std::unique_ptr<Provisioner> make_built_in_process(std::string_view type, const std::string& program);

}  // namespace slipway::provisioner
