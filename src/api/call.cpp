#include "api/call.h"

namespace slipway::api {
namespace {

template <class Start>
net::Awaitable<void> await_store(Hub& hub, Start start) {
  net::Completion done(hub.io);
  std::exception_ptr failure;
  start([&failure, done](std::exception_ptr outcome) mutable {
    failure = outcome;
    done.complete();
  });
  co_await done.wait();
  if (failure) std::rethrow_exception(failure);
}

void refuse_zero_bytes(const json::Value& value, const json::Path& path) {
  if (const auto* text = value.if_string(); text != nullptr && text->find('\0') != text->npos)
    json::fail(path, "must not contain a zero byte");
  if (const auto* object = value.if_object())
    for (const auto& [name, member] : *object) {
      refuse_zero_bytes(json::Value(name), path);
      refuse_zero_bytes(member, json::Path{&path, std::string_view(name)});
    }
  if (const auto* array = value.if_array())
    for (std::size_t i = 0; i < array->size(); ++i) refuse_zero_bytes((*array)[i], json::Path{&path, {}, i});
}

}  // namespace

json::Value body_value(const Call& call) {
  auto value = json::parse_value(call.request.body.empty() ? "{}" : call.request.body);
  refuse_zero_bytes(value, json::kRoot);
  return value;
}

net::Awaitable<void> write(Hub& hub, store::Work work) {
  co_await await_store(hub, [&](store::Done done) { hub.database.write(std::move(work), std::move(done)); });
}

net::Awaitable<void> read(Hub& hub, store::Work work) {
  co_await await_store(hub, [&](store::Done done) { hub.database.read(std::move(work), std::move(done)); });
}

}  // namespace slipway::api
