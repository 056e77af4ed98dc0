#pragma once
// Cursors: where a page of a list ended, together with the question that was asked. One of another list, or of other
// filters, is refused instead of giving a page that fits neither.

#include "api/call.h"

namespace slipway::api {

// `position` is the list's own: what its query goes on after. Not secret, so not sealed.
std::string make_cursor(const Call& call, std::string_view position);
// The position; empty for an empty cursor. Throws VALIDATION_ERROR for `cursor`.
std::string read_cursor(const Call& call, std::string_view cursor);
// The same for lists whose positions are numbers.
std::optional<std::int64_t> read_number_cursor(const Call& call, std::string_view cursor);

}  // namespace slipway::api
