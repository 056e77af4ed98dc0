# A workspace that is a process: its folder stays, the process comes and goes.

variable "root" {
  type        = string
  description = "Where the folders of all workspaces lie, on the machine of the daemon; another one begins them anew"
  default     = "/var/tmp/slipway-servers"
}

variable "port" {
  type    = number
  default = 0
}

variable "greeting" {
  type    = string
  default = "It works."
}

# Slipway sets these.
variable "slipway_start_count" {
  type    = number
  default = 1
}

variable "slipway_workspace_id" {
  type    = string
  default = "preview"
}

locals {
  path = "${var.root}/${var.slipway_workspace_id}"
}

# Provisioners run only when a resource is made or goes: for another path this one is replaced, and the old folder
# removed with all that is in it.
resource "terraform_data" "home" {
  input            = local.path
  triggers_replace = local.path

  provisioner "local-exec" {
    command     = "mkdir -p -- \"$FOLDER/public\""
    environment = { FOLDER = self.input }
  }
  provisioner "local-exec" {
    when        = destroy
    command     = "rm -rf -- \"$FOLDER\""
    environment = { FOLDER = self.input }
  }
}

resource "terraform_data" "page" {
  triggers_replace = [terraform_data.home.id, var.greeting]

  provisioner "local-exec" {
    command     = "printf '%s\\n' \"$GREETING\" > \"$FOLDER/public/index.txt\""
    environment = { FOLDER = local.path, GREETING = var.greeting }
  }
}

module "server" {
  source     = "./server"
  count      = var.slipway_start_count
  folder     = local.path
  port       = var.port
  depends_on = [terraform_data.page]
}

output "folder" {
  value = local.path
}

output "address_file" {
  value = var.slipway_start_count > 0 ? "${local.path}/address" : null
}
