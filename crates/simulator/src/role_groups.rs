//! `/roleGroups`, which can only be read.

use axum::http::StatusCode;
use serde_json::Value;

use crate::{
    odata::Item,
    problem::Problem,
    render::{context, role_group},
    reply::Reply,
    role_group::{ROLE_GROUPS, RoleGroup},
    validate::Object,
    world::Call,
};

pub(crate) fn list(call: &Call<'_>) -> Reply {
    let items = (0..)
        .zip(&ROLE_GROUPS)
        .map(|(ordinal, group)| Item {
            ordinal,
            object: shown(group),
        })
        .collect();
    let context = context(&call.request.base, "roleGroups");
    Reply::json(
        StatusCode::OK,
        call.query.page(context, items, call.paging, call.request),
    )
}

pub(crate) fn get(call: &Call<'_>, id: &str) -> Result<Reply, Problem> {
    let group = RoleGroup::find(id).ok_or_else(|| Problem::not_found("the role group"))?;
    let mut object = call.query.selected(shown(group));
    object.insert(
        "@odata.context".to_owned(),
        Value::from(context(&call.request.base, "roleGroups/$entity")),
    );
    Ok(Reply::json(StatusCode::OK, object))
}

fn shown(group: &RoleGroup) -> Object {
    role_group(group).as_object().cloned().unwrap_or_default()
}
