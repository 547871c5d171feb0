//! The verbs for groups and their members, and for what moves between machines.

use std::time::Duration;

use peergraph::{
    CreateGroup, GroupRules, ImportDatabase, Invitation, InviteLink, InviteMember, InvitePassword, JoinGroup,
    OpenGraph, OpenInvitation, PeerId, RecordType, RemoveMember, RevokedDevice, Role, TypeRule, Who,
    group::{IdentityDescription, Way},
};

use crate::{
    facts,
    script::{Facts, Fault, Step, wrong},
    world::{Progress, Told, World, flag, or_none, seconds, sorted},
};

const NOTHING: fn() -> Told = || Ok(Facts::new());

impl World {
    pub(crate) async fn step_of_groups(&mut self, step: &Step) -> Option<Told> {
        Some(match step.verb.as_str() {
            "group" => self.create_group(step).await,
            "open-group" | "join-group" | "import-membership" => self.get_group(step).await,
            "rules" | "role" | "members" | "member" | "credentials" | "invitations" | "revoked-devices" => {
                self.look_at_group(step).await
            }
            "link" | "invite" | "password" | "clear-password" | "revoke-invitation" => {
                self.invite(step).await
            }
            "invitation" => self.read_invitation(step),
            "renew" | "set-name" | "set-role" | "remove" | "revoke-device" | "restore-device" | "leave" => {
                self.change_members(step).await
            }
            "export-database" | "import-database" | "export-membership" => self.files(step).await,
            _ => return None,
        })
    }

    async fn create_group(&mut self, step: &Step) -> Told {
        let base = CreateGroup::from(step.opt("name").unwrap_or_default());
        let mut rules = GroupRules {
            max_chain: step.read("max_chain")?.unwrap_or(base.rules.max_chain),
            min_version: step.read("min_version")?.unwrap_or(base.rules.min_version),
            properties: role(step, "properties")?.unwrap_or(base.rules.properties),
            encrypted_bodies: step.read("encrypted_bodies")?.unwrap_or(false),
            ..base.rules.clone()
        };
        for (record_type, rule) in step.starting("rule.") {
            let Some((publish, edit)) = rule.split_once(',') else { return wrong("a rule is publish,edit") };
            let edit = if edit == "author" { Who::Author } else { Who::Role(role_of(edit)?) };
            rules.types.push(TypeRule {
                record_type: RecordType::new(record_type)?,
                publish: role_of(publish)?,
                edit,
            });
        }
        let identity = step.opt("identity").map(|name| self.identity(name).cloned()).transpose()?;
        let max_record = step.read("max_record")?.unwrap_or(base.max_record);
        let options = CreateGroup { rules, identity, max_record, ..base };
        let group = self.node(&step.names[1])?.create_group(options).await?;
        self.add_group(&step.names[0], group)
    }

    async fn get_group(&mut self, step: &Step) -> Told {
        let node = self.node(&step.names[1])?;
        let group = match step.verb.as_str() {
            "open-group" => {
                let options = OpenGraph { offline: flag(step, "offline")?, ..OpenGraph::default() };
                node.open_group_with(step.need("id")?.parse()?, options).await?
            }
            "import-membership" => node.import_membership(step.need("text")?, step.need("password")?).await?,
            _ => {
                let mut join = JoinGroup::parse(step.need("invitation")?)?;
                join = join.named(step.opt("name").unwrap_or_default());
                if let Some(password) = step.opt("password") {
                    join = join.password(password);
                }
                join.identity = step.opt("identity").map(|name| self.identity(name).cloned()).transpose()?;
                join.deadline = step.opt("deadline").map_or(Ok(join.deadline), seconds)?;
                let told = Progress::of(step)?;
                join.on_progress = told.as_ref().map(Progress::callback);
                let group = node.join_group(join).await?;
                return self.add_group(&step.names[0], group).map(|facts| Progress::add_to(facts, told));
            }
        };
        self.add_group(&step.names[0], group)
    }

    async fn look_at_group(&self, step: &Step) -> Told {
        let group = self.group(&step.names[0])?;
        match step.verb.as_str() {
            "rules" => {
                let rules = group.rules().await?;
                facts!(
                    creator_name = rules.creator_name,
                    max_chain = rules.max_chain,
                    min_version = rules.min_version,
                    properties = rules.properties,
                    encrypted_bodies = rules.encrypted_bodies,
                    records_end_with_membership = rules.records_end_with_membership,
                    types = sorted(rules.types.iter().map(|rule| &rule.record_type)),
                )
            }
            "role" => facts!(role = or_none(group.role().await?)),
            "members" => {
                let members = group.members().await?;
                let present = members.iter().filter(|member| member.is_present()).count();
                let names = sorted(members.iter().map(|member| &member.name));
                facts!(count = members.len(), names = names, present = present)
            }
            "member" => {
                let member = group.member(step.need("peer")?.parse()?).await?;
                facts!(
                    name = member.name,
                    role = or_none(member.role),
                    present = member.is_present(),
                    issuer = or_none(member.issuer),
                )
            }
            "credentials" => facts!(count = group.credentials().await?.len()),
            "revoked-devices" => {
                let all = group.revoked_devices(step.need("peer")?.parse()?).await?;
                let of = |part: fn(&RevokedDevice) -> String| or_none(all.first().map(part));
                facts!(count = all.len(), node = of(|d| d.node.to_string()), by = of(|d| d.by.to_string()))
            }
            _ => {
                let all = group.invitations().await?;
                let of = |part: fn(&OpenInvitation) -> String| or_none(all.first().map(part));
                facts!(
                    count = all.len(),
                    key = of(|open| open.key.to_string()),
                    role = of(|open| open.role.to_string()),
                    uses = of(|open| open.uses.to_string()),
                    used = of(|open| open.used.to_string()),
                )
            }
        }
    }

    async fn invite(&self, step: &Step) -> Told {
        let at = usize::from(matches!(step.verb.as_str(), "link" | "invite" | "password"));
        let group = self.group(&step.names[at])?;
        let role = role(step, "role")?.unwrap_or(Role::Member);
        match step.verb.as_str() {
            "link" => {
                let base = InviteLink::default();
                let options = InviteLink {
                    role,
                    uses: step.read("uses")?.unwrap_or(base.uses),
                    valid: step.opt("valid").map_or(Ok(base.valid), seconds)?,
                    lifetime: lifetime(step, base.lifetime)?,
                    admitters: match step.opt("admitters") {
                        Some(list) => list.split(',').map(str::parse).collect::<Result<_, _>>()?,
                        None => base.admitters,
                    },
                };
                Ok(told(&group.invite_link(options).await?))
            }
            "invite" => {
                let options =
                    InviteMember { role, lifetime: lifetime(step, InviteMember::default().lifetime)? };
                let invitation = match step.opt("whom") {
                    Some(text) => group.invite(&text.parse::<IdentityDescription>()?, options).await?,
                    None => {
                        let name = step.opt("name").unwrap_or_default();
                        group.invite_peer(step.need("peer")?.parse()?, name, options).await?
                    }
                };
                Ok(told(&invitation))
            }
            "password" => {
                let options = InvitePassword { role, lifetime: lifetime(step, None)? };
                Ok(told(&group.set_password(step.need("password")?, options).await?))
            }
            "clear-password" => {
                group.clear_password().await?;
                NOTHING()
            }
            _ => {
                group.revoke_invitation(step.need("key")?.parse()?).await?;
                NOTHING()
            }
        }
    }

    fn read_invitation(&self, step: &Step) -> Told {
        Ok(told(&step.need("text")?.parse::<Invitation>()?))
    }

    async fn change_members(&self, step: &Step) -> Told {
        let group = self.group(&step.names[0])?;
        if step.verb == "leave" {
            group.leave().await?;
            return NOTHING();
        }
        if step.verb == "set-name" {
            group.set_name(step.need("name")?).await?;
            return NOTHING();
        }
        let peer: PeerId = step.need("peer")?.parse()?;
        match step.verb.as_str() {
            "renew" => group.renew(peer, lifetime(step, InviteMember::default().lifetime)?).await?,
            "set-role" => group.set_role(peer, role(step, "role")?.unwrap_or(Role::Member)).await?,
            "restore-device" => group.restore_device(peer, step.need("node")?.parse()?).await?,
            "revoke-device" => group.revoke_device(peer, step.need("node")?.parse()?).await?,
            _ => {
                let base = RemoveMember::default();
                let options = RemoveMember {
                    reason: step.opt("reason").unwrap_or_default().to_owned(),
                    keep_records: step.read("keep_records")?.unwrap_or(base.keep_records),
                    with_branch: step.read("with_branch")?.unwrap_or(base.with_branch),
                    undo: step.read("undo")?.unwrap_or(base.undo),
                };
                group.remove(peer, options).await?;
            }
        }
        NOTHING()
    }

    async fn files(&self, step: &Step) -> Told {
        let path = |step: &Step| Ok::<_, Fault>(self.path(step.need("file")?));
        match step.verb.as_str() {
            "export-database" => {
                let graph = self.graph(&step.names[0])?;
                facts!(count = graph.export_database(path(step)?, step.opt("password")).await?)
            }
            "import-database" => {
                let mut options = ImportDatabase::default();
                if let Some(password) = step.opt("password") {
                    options = options.password(password);
                }
                options.exporter = step.opt("exporter").map(str::parse).transpose()?;
                let count = self.graph(&step.names[0])?.import_database(path(step)?, options).await?;
                facts!(
                    added = count.added,
                    known = count.known,
                    refused = count.refused,
                    waiting = count.waiting,
                )
            }
            _ => facts!(text = self.group(&step.names[0])?.export_membership(step.need("password")?).await?),
        }
    }
}

fn role_of(text: &str) -> Result<Role, Fault> {
    text.parse().or_else(|_| wrong(format!("no role is called {text}")))
}

fn role(step: &Step, key: &str) -> Result<Option<Role>, Fault> {
    step.opt(key).map(role_of).transpose()
}

fn lifetime(step: &Step, default: Option<Duration>) -> Result<Option<Duration>, Fault> {
    match step.opt("lifetime") {
        None => Ok(default),
        Some("none") => Ok(None),
        Some(text) => seconds(text).map(Some),
    }
}

fn told(invitation: &Invitation) -> Facts {
    let (kind, subject) = match &invitation.way {
        Way::Identity { subject, .. } => ("identity", Some(subject)),
        Way::Link { .. } => ("link", None),
        Way::Password { .. } => ("password", None),
    };
    let told: Told = facts!(
        text = invitation,
        kind = kind,
        role = invitation.role,
        group_name = invitation.group_name,
        issuer = invitation.issuer,
        issuer_name = invitation.issuer_name,
        subject = or_none(subject),
    );
    told.unwrap_or_default()
}
