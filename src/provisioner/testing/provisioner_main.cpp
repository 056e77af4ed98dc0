// A program as `slipway provisioner scripted`, for tests of this room alone.

#include "provisioner/scripted.h"
#include "provisioner/serve_stdio.h"

int main() {
  slipway::provisioner::ScriptedProvisioner provisioner;
  return slipway::provisioner::serve_stdio(provisioner);
}
