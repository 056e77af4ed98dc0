#pragma once
// What a hub has once, for all its replicas and for good, such as its id in the cloud: in the database, so that it goes
// where the records go.

#include <string>
#include <string_view>

#include "store/store.h"

namespace slipway::fleet {

// The setting as the first writer wrote it: `first` when that is this call.
std::string hub_setting(store::Transaction& tx, std::string_view name, const std::string& first);

}  // namespace slipway::fleet
