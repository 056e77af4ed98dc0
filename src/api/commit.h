#pragma once
// Changing something, once (WF-41): the deed, its audit entry and the answer kept under the caller's Idempotency-Key
// are one transaction. The same key and body give the first answer again.

#include <functional>
#include <set>
#include <string>

#include "api/call.h"
#include "fleet/audit.h"

namespace slipway::api {

struct Deed {
  net::Response answer;
  std::string action;  // for the audit: workspace.create
  std::string resource_type;
  std::string resource_id;
  json::Value details = json::Object{};
};

struct Committed {
  net::Response answer;
  bool replayed = false;  // an earlier call did it: nothing is to be done after it
};

// `deed` runs in the transaction, perhaps more than once, on the store's thread. Throws what it throws, and
// IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_KEY_IN_PROGRESS, VALIDATION_ERROR for a key that is none.
net::Awaitable<Committed> commit(Call& call, std::move_only_function<Deed(store::Transaction&)> deed);

// For what must look before it can say what its deed is. Gives the answer to an earlier request of this key, whatever
// has become of its subject since; else `look` has run, in the same reading transaction. Throws what `look` throws, and
// IDEMPOTENCY_KEY_REUSED, VALIDATION_ERROR as `commit`.
net::Awaitable<std::optional<net::Response>> look_unless_answered(Call& call,
                                                                  std::function<void(store::Transaction&)> look);

}  // namespace slipway::api
