#include "api/outgoing.h"

#include "api/compression.h"
#include "net/event_loop.h"

namespace slipway::api {
namespace {

constexpr std::size_t kOnTheLoopMax = 64 << 10;  // bytes: about half a millisecond; what is larger goes to a worker

}  // namespace

void Outgoing::add_headers(net::Response& response) const {
  for (const auto& [name, value] : headers_) response.headers.add(name, value);
}

net::Awaitable<void> Outgoing::compress(net::Response& response) {
  if (!is_compressible(response)) co_return;
  response.headers.add("Vary", "Accept-Encoding");
  if (!accepts_gzip(request().headers.get("Accept-Encoding").value_or(""))) co_return;
  if (pages_ != nullptr) {
    auto& packed = (*pages_)[std::string(response.headers.get("ETag").value_or(""))];
    if (packed.empty()) packed = gzip(response.body, Effort::best);
    response.body = packed;
  } else if (response.body.size() <= kOnTheLoopMax) {
    response.body = gzip(response.body, Effort::fast);
  } else {
    response.body =
        co_await net::run_blocking(hub_.io, hub_.workers, [&body = response.body] { return gzip(body, Effort::fast); });
  }
  response.headers.set("Content-Encoding", "gzip");
}

net::Awaitable<void> Outgoing::respond(net::Response response) {
  add_headers(response);
  co_await compress(response);
  co_await exchange_.respond(std::move(response));
}

net::Awaitable<std::unique_ptr<net::Stream>> Outgoing::start_stream(net::Response head) {
  add_headers(head);
  return exchange_.start_stream(std::move(head));
}

}  // namespace slipway::api
