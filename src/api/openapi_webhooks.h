#pragma once
// The part of the OpenAPI document that tells what webhooks are sent (WF-45, WF-46).

#include "base/json_schema.h"

namespace slipway::api {

// By the type of event, as OpenAPI's path items.
json::Object describe_webhooks(json::Schemas& schemas);

}  // namespace slipway::api
