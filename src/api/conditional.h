#pragma once
// Conditional requests (RFC 9110 section 13). The ETag of a resource is "VERSION-REST": who changes it needs to have
// seen the version; who reads it anew wants to know of the rest, too, which changes by itself.

#include <string_view>

#include "api/call.h"

namespace slipway::api {

// Whether one of the tags of If-Match is of that version; weak ones never are.
bool names_version(std::string_view if_match, std::int64_t version);
// Throws PRECONDITION_FAILED when the caller has looked at another version of `what`, a word for people.
void check_if_match(const Call& call, std::string_view what, std::int64_t version, std::string_view etag);

// `full` with its ETag; or 304 without a body when that is what If-None-Match says the caller has.
net::Response if_changed(const Call& call, std::string_view etag, net::Response full,
                         std::string_view cache_control = "private, no-cache");

}  // namespace slipway::api
