#pragma once
// A ticket opens one connection to one workspace: for browsers, which cannot send a key along with a websocket. Like a
// key it is shown once and only its hash is kept; unlike a key it is good once, and soon good for nothing. It stands in
// the store, so that it may be shown to another replica than the one that gave it out.

#include <optional>

#include "fleet/identity.h"

namespace slipway::fleet {

inline constexpr std::string_view kTicketPrefix = "slt_";
// From the answer that brought it to the connection: a round trip, on a bad line.
inline constexpr base::Duration kTicketGoodFor = std::chrono::seconds(60);

base::Secret make_ticket();  // slt_ and 43 characters

// Issued to whoever holds the key. Tickets that nobody came with are removed on the way.
void insert_ticket(store::Transaction& tx, const base::Secret& ticket, const base::WorkspaceId& workspace,
                   const base::KeyId& key, base::Instant now);
// Whether it may be one that can be redeemed: so that junk costs no write.
bool is_ticket(store::Transaction& tx, const base::Secret& ticket);
// Uses it up, and gives the key that it was issued to. Empty when it is not known, too old, for another workspace, or
// that key is gone.
std::optional<ApiKey> redeem_ticket(store::Transaction& tx, const base::Secret& ticket,
                                    const base::WorkspaceId& workspace, base::Instant now);

}  // namespace slipway::fleet
