#pragma once
// The embedded database: one file, one process.

#include <memory>
#include <string_view>

#include "store/store.h"

namespace slipway::store {

// Times that a test makes shorter.
struct Patience {
  base::Duration give_up_after{5'000};  // see kGiveUpAfter
  base::Duration busy{1'000};           // for somebody else's lock
};

std::unique_ptr<Database> open_sqlite(std::string_view path, Patience patience = {});

}  // namespace slipway::store
