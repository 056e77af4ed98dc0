# A workspace that is a folder. What stays when it is stopped has no count; what goes has the count that Slipway gives:
# 1 when the workspace starts, 0 when it stops.

variable "root" {
  type        = string
  description = "Where the folders of all workspaces lie, on the machine of the daemon; another one begins them anew"
  default     = "/var/tmp/slipway-folders"

  validation {
    condition     = startswith(var.root, "/")
    error_message = "The root must be an absolute path."
  }
}

variable "kind" {
  type    = string
  default = "notes"

  validation {
    condition     = contains(["notes", "python", "cpp"], var.kind)
    error_message = "The kind must be notes, python or cpp."
  }
}

variable "title" {
  type    = string
  default = "My project"
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

variable "slipway_workspace_name" {
  type    = string
  default = "preview"
}

variable "slipway_owner_name" {
  type    = string
  default = ""
}

locals {
  path = "${var.root}/${var.slipway_workspace_id}"
}

# Values reach scripts by their environment: quoted by nobody, whatever is in them.
# Provisioners run only when a resource is made or goes: for another path this one is replaced, and the old folder
# removed with all that is in it.
resource "terraform_data" "folder" {
  input            = local.path
  triggers_replace = local.path

  provisioner "local-exec" {
    command     = "mkdir -p -- \"$FOLDER\""
    environment = { FOLDER = self.input }
  }
  provisioner "local-exec" {
    when        = destroy
    command     = "rm -rf -- \"$FOLDER\""
    environment = { FOLDER = self.input }
  }
}

resource "terraform_data" "files" {
  triggers_replace = [terraform_data.folder.id, var.kind, var.title]

  provisioner "local-exec" {
    command = "sh ${path.module}/fill.sh"
    environment = {
      FOLDER = terraform_data.folder.output
      KIND   = var.kind
      TITLE  = var.title
      OWNER  = var.slipway_owner_name
    }
  }
}

resource "terraform_data" "open" {
  count            = var.slipway_start_count
  input            = local.path
  triggers_replace = local.path
  depends_on       = [terraform_data.files]

  provisioner "local-exec" {
    command     = "touch \"$FOLDER/.open\""
    environment = { FOLDER = self.input }
  }
  provisioner "local-exec" {
    when        = destroy
    command     = "rm -f \"$FOLDER/.open\""
    environment = { FOLDER = self.input }
  }
}

output "folder" {
  value = local.path
}
