//! What becomes of the operations of small documents: names, references, words of 3.0, and every reason for a refusal.

use super::choice::chosen;
use super::document::Document;
use super::import;

const HEAD: &str = "openapi: 3.0.3\ninfo: {title: Test, version: '1'}\nservers: [{url: 'https://api.example.com/v1/'}]\n";

/// The block of the first operation of a document with these paths and components, or the reason why there is none.
fn first(rest: &str) -> Result<String, String> {
    first_of(&format!("{HEAD}{rest}"))
}

fn first_of(text: &str) -> Result<String, String> {
    let document = Document::read(text)?;
    let (operations, refused) = document.operations();
    match operations.first() {
        Some(operation) => import(&document, operation, None),
        None => Err(refused.join("; ")),
    }
}

/// The block of a GET whose only parameter is this one.
fn with_parameter(parameter: &str) -> Result<String, String> {
    first(&format!(
        "paths: {{'/x/{{id}}': {{get: {{parameters: [{{name: id, in: path, required: true, schema: {{type: string}}}}, {parameter}]}}}}}}"
    ))
}

/// The block of a POST with this schema of its body.
fn with_body(schema: &str, components: &str) -> Result<String, String> {
    first(&format!(
        "paths: {{/x: {{post: {{requestBody: {{required: true, content: {{application/json: {{schema: {schema}}}}}}}}}}}}}\ncomponents: {{schemas: {{{components}}}}}"
    ))
}

fn line<'a>(block: &'a str, start: &str) -> &'a str {
    let mut lines = block.lines();
    lines
        .find(|line| line.starts_with(start))
        .unwrap_or_else(|| panic!("{start} in {block}"))
}

fn assert_refused(found: &Result<String, String>, reason: &str) {
    let Err(found) = found else {
        panic!("{reason}: {found:?}");
    };
    assert!(found.contains(reason), "{found}");
}

#[test]
fn an_operation_without_an_id_is_named_by_method_and_path() {
    let block = first("paths: {'/pets/{petId}': {get: {}}}").unwrap();
    assert_eq!(line(&block, "name"), "name = \"get_pets_petId\"");
    assert_eq!(
        line(&block, "url"),
        "url = \"https://api.example.com/v1/pets/{petId}\""
    );
    assert_eq!(line(&block, "petId"), "petId = { type = \"string\" }");
}

#[test]
fn names_do_not_depend_on_what_is_chosen() {
    let text =
        format!("{HEAD}paths: {{/a: {{get: {{operationId: x.y}}, put: {{operationId: x/y}}}}}}");
    let document = Document::read(&text).unwrap();
    let (operations, _) = document.operations();
    let only = chosen(&operations, &["x/y".to_owned()]).unwrap();
    assert_eq!(
        only.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        ["x_y_2"]
    );
}

#[test]
fn operations_are_chosen_by_id_or_by_method_and_path() {
    let text = format!(
        "{HEAD}paths: {{/a: {{get: {{operationId: listAll}}, put: {{}}}}, '/b,c': {{get: {{}}}}}}"
    );
    let document = Document::read(&text).unwrap();
    let (operations, _) = document.operations();
    let titles = |only: &[&str]| {
        let only: Vec<_> = only.iter().map(ToString::to_string).collect();
        let chosen = chosen(&operations, &only)?;
        Ok::<_, String>(chosen.iter().map(|one| one.title()).collect::<Vec<_>>())
    };
    assert_eq!(
        titles(&["put /a, listAll"]).unwrap(),
        ["GET /a (listAll)", "PUT /a"]
    );
    assert_eq!(titles(&["GET /b,c"]).unwrap(), ["GET /b,c"]);
    assert_eq!(
        titles(&["listal"]).unwrap_err(),
        "no operation is \"listal\"; the nearest is \"listAll\""
    );
}

#[test]
fn references_are_followed_and_what_they_lead_to_stands_in_their_place() {
    let block = with_body(
        "{$ref: '#/components/schemas/Order'}",
        "Order: {type: object, required: [size], properties: {size: {$ref: '#/components/schemas/Size'}}}, Size: {type: integer, minimum: 1}",
    );
    let block = block.unwrap();
    assert_eq!(
        line(&block, "size"),
        "size = { type = \"integer\", minimum = 1 }"
    );
    assert_eq!(line(&block, "required"), "required = [\"size\"]");
    assert_eq!(
        line(&block, "additionalProperties"),
        "additionalProperties = false"
    );
}

#[test]
fn a_schema_that_contains_itself_is_left_out_where_a_call_may_do_without_it() {
    let tree = "Tree: {type: object, properties: {name: {type: string}, children: {type: array, items: {$ref: '#/components/schemas/Tree'}}}}";
    let block = with_body("{$ref: '#/components/schemas/Tree'}", tree).unwrap();
    assert_eq!(line(&block, "name = {"), "name = { type = \"string\" }");
    assert_eq!(
        line(&block, "# Left out"),
        "# Left out: `children`: the schema \"Tree\" contains itself."
    );
    let needed = tree.replace("properties:", "required: [children], properties:");
    let found = with_body("{$ref: '#/components/schemas/Tree'}", &needed);
    assert_refused(&found, "the schema \"Tree\" contains itself");
}

#[test]
fn references_in_a_circle_end() {
    let circle = "A: {$ref: '#/components/schemas/B'}, B: {$ref: '#/components/schemas/A'}";
    let found = with_body("{$ref: '#/components/schemas/A'}", circle);
    assert_refused(&found, "contains itself");
    let found = first("paths: {/x: {$ref: '#/paths/~1x'}}");
    assert_refused(&found, "/x: it has a reference that leads to itself");
}

#[test]
fn what_is_outside_of_the_document_is_not_loaded() {
    let found = with_body("{$ref: 'https://example.com/pet.yaml#/Pet'}", "");
    assert_refused(&found, "what is outside of the document is not loaded");
    let found = with_body("{$ref: '#/components/schemas/Nothing'}", "");
    assert_refused(&found, "which is no place in the document");
}

#[test]
fn words_of_3_0_become_those_of_json_schema() {
    let block = with_body(
        "{type: object, properties: {\
           a: {type: string, nullable: true, example: blue},\
           b: {type: number, minimum: 0, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false},\
           c: {type: string, nullable: true, enum: [x, null]},\
           d: {nullable: true, allOf: [{type: object}]},\
           e: {type: integer, format: int64, xml: {name: e}, x-order: 1},\
           f: {type: string, format: phone},\
           g: {type: string, readOnly: true}}}",
        "",
    );
    let block = block.unwrap();
    assert_eq!(
        line(&block, "a = "),
        "a = { type = [\"string\", \"null\"], examples = [\"blue\"] }"
    );
    assert_eq!(
        line(&block, "b = "),
        "b = { type = \"number\", maximum = 9, exclusiveMinimum = 0 }"
    );
    assert_eq!(
        line(&block, "c = "),
        "c = { anyOf = [{ type = \"string\", enum = [\"x\"] }, { type = \"null\" }] }"
    );
    assert_eq!(
        line(&block, "d = "),
        "d = { anyOf = [{ allOf = [{ type = \"object\" }] }, { type = \"null\" }] }"
    );
    assert_eq!(line(&block, "e = "), "e = { type = \"integer\" }");
    assert_eq!(
        line(&block, "f = "),
        "f = { type = \"string\", description = \"Format: phone.\" }"
    );
    assert!(!block.contains("\ng = "), "{block}");
}

#[test]
fn what_stands_beside_a_reference_counts_from_3_1_on() {
    let rest = "paths: {/x: {get: {parameters: [{name: n, in: query, schema: {$ref: '#/components/schemas/N', maximum: 5}}]}}}\n\
                components: {schemas: {N: {type: integer}}}";
    let old = first(rest).unwrap();
    assert_eq!(line(&old, "n = "), "n = { type = \"integer\" }");
    let new = first_of(&format!("{HEAD}{rest}").replace("3.0.3", "3.1.0")).unwrap();
    assert_eq!(
        line(&new, "n = "),
        "n = { type = \"integer\", maximum = 5 }"
    );
}

#[test]
fn parts_of_a_body_become_one_object() {
    let block = with_body(
        "{allOf: [{$ref: '#/components/schemas/A'}, {type: object, required: [b], properties: {b: {type: string}}}]}",
        "A: {type: object, required: [a], properties: {a: {type: string}}}",
    );
    let block = block.unwrap();
    assert_eq!(line(&block, "required"), "required = [\"a\", \"b\"]");
    assert!(!block.contains("allOf"), "{block}");
}

#[test]
fn defaults_of_a_body_are_told_and_not_filled_in() {
    let block = with_body(
        "{type: object, properties: {hidden: {type: boolean, default: false}}}",
        "",
    );
    assert_eq!(
        line(&block.unwrap(), "hidden"),
        "hidden = { type = \"boolean\", description = \"Default: false.\" }"
    );
}

#[test]
fn parameters_beside_a_body_stand_in_the_address_under_names_of_their_own() {
    let block = first(
        "paths: {'/x/{id}': {put: {parameters: [{name: dry, in: query, schema: {type: boolean, default: false}}, {name: q, in: query, schema: {type: string}}],\
         requestBody: {content: {application/json: {schema: {type: object, required: [id], properties: {id: {type: integer}}}}}}}}}",
    );
    let block = block.unwrap();
    assert_eq!(
        line(&block, "url"),
        "url = \"https://api.example.com/v1/x/{path_id}?dry={dry}\""
    );
    assert_eq!(line(&block, "body"), "body = \"others\"");
    assert_eq!(line(&block, "required"), "required = [\"path_id\", \"id\"]");
    assert_eq!(
        line(&block, "# Left out"),
        "# Left out: `q`: beside a body only what is always sent can be in the query."
    );
}

#[test]
fn lists_stand_in_the_query_as_the_document_says() {
    let list = |more| {
        with_parameter(&format!(
            "{{name: tag, in: query, {more} schema: {{type: array, items: {{type: string}}}}}}"
        ))
    };
    assert_eq!(
        line(&list("").unwrap(), "query_lists"),
        "query_lists = \"repeat\""
    );
    assert_eq!(
        line(&list("explode: false,").unwrap(), "query_lists"),
        "query_lists = \"comma\""
    );
    let block = list("style: pipeDelimited,").unwrap();
    assert_eq!(
        line(&block, "# Left out"),
        "# Left out: `tag`: a list of the style \"pipeDelimited\" cannot be sent."
    );
    assert_refused(
        &list("style: pipeDelimited, required: true,"),
        "it needs \"tag\" in its query",
    );
}

#[test]
fn a_name_that_model_services_refuse_stands_in_the_address_alone() {
    let needed =
        with_parameter("{name: 'page[size]', in: query, required: true, schema: {type: integer}}")
            .unwrap();
    assert_eq!(
        line(&needed, "url"),
        "url = \"https://api.example.com/v1/x/{id}?page%5Bsize%5D={page_size}\""
    );
    let optional =
        with_parameter("{name: 'page[size]', in: query, schema: {type: integer}}").unwrap();
    assert!(line(&optional, "# Left out").contains("`page[size]`"));
}

#[test]
fn an_argument_of_the_address_does_not_take_the_name_of_another_parameter() {
    let block = with_parameter(
        "{name: 'page[size]', in: query, required: true, schema: {type: integer}}, {name: page_size, in: query, schema: {type: integer}}",
    );
    assert_eq!(
        line(&block.unwrap(), "url"),
        "url = \"https://api.example.com/v1/x/{id}?page%5Bsize%5D={query_page_size}\""
    );
}

#[test]
fn names_that_baton_fills_are_no_arguments() {
    let block = first("paths: {'/x/{turn}/{customer.id}': {get: {}}}").unwrap();
    assert_eq!(
        line(&block, "url"),
        "url = \"https://api.example.com/v1/x/{path_turn}/{customer_id}\""
    );
}

#[test]
fn actions_wait_for_a_person_and_are_called_once_unless_the_document_has_a_key() {
    let post = |more| {
        first(&format!(
            "paths: {{/x: {{post: {{parameters: [{more}]}}}}}}"
        ))
        .unwrap()
    };
    let plain = post("");
    assert!(line(&plain, "kind").starts_with("kind = \"action\""));
    assert!(line(&plain, "approval").starts_with("approval = \"always\""));
    assert!(line(&plain, "idempotency_keys").starts_with("idempotency_keys = false"));
    assert_eq!(line(&plain, "body"), "body = \"none\"");
    let with_key =
        post("{name: idempotency-KEY, in: header, required: true, schema: {type: string}}");
    assert!(line(&with_key, "idempotency_keys").starts_with("idempotency_keys = true"));
    let other = post("{name: X-Idempotency, in: header, schema: {type: string}}");
    assert!(line(&other, "idempotency_keys").contains("has X-Idempotency"));
}

#[test]
fn a_form_is_sent_where_there_is_no_json() {
    let post = |content: &str| {
        let body = format!("requestBody: {{content: {{{content}}}}}");
        first(&format!("paths: {{/x: {{post: {{{body}}}}}}}")).unwrap()
    };
    let schema = "{schema: {type: object, properties: {a: {type: string}}}}";
    let form = format!("application/x-www-form-urlencoded: {schema}");
    let block = post(&form);
    assert_eq!(line(&block, "body"), "body = \"form\"");
    assert!(line(&block, "a = ").contains("string"));
    let both = post(&format!("{form}, application/json: {schema}"));
    assert!(!both.contains("body = "), "{both}");
}

#[test]
fn headers_with_one_value_are_written_and_others_wait_in_a_comment() {
    let block = first(
        "security: [{bearerAuth: []}]\npaths: {/x: {get: {parameters: [\
         {name: X-Version, in: header, required: true, schema: {type: string, enum: ['2']}},\
         {name: X-Customer, in: header, required: true, schema: {type: string}}]}}}\n\
         components: {securitySchemes: {bearerAuth: {type: http, scheme: bearer}}}",
    );
    let block = block.unwrap();
    assert_eq!(line(&block, "headers"), "headers = { X-Version = \"2\" }");
    assert_eq!(
        line(&block, "# headers"),
        "# headers = { Authorization = { env = \"BEARER_AUTH\", prefix = \"Bearer \" }, X-Customer = \"{customer.id}, or a text\", X-Version = \"2\" }"
    );
}

#[test]
fn what_may_name_the_customer_or_money_is_pointed_out() {
    let block = with_body(
        "{type: object, required: [amount], properties: {customerId: {type: string}, amount: {type: integer}}}",
        "",
    );
    let block = block.unwrap();
    assert!(line(&block, "# customer").contains("{customerId}"));
    assert!(line(&block, "# amount").starts_with("# amount = \"amount\""));
}

#[test]
fn what_may_be_a_secret_is_pointed_out_and_not_shown() {
    let block = with_body(
        "{type: object, required: [secret, good], properties: {secret: {type: string}, good: {type: string}, page_token: {type: string}}}",
        "",
    );
    let block = block.unwrap();
    assert!(line(&block, "# secret").contains("is {secret} one?"));
    assert!(line(&block, "# show").starts_with("# show = [\"good\", \"page_token\"]"));
    assert!(line(&block, "# identity").starts_with("# identity = [\"good\"]"));
}

#[test]
fn a_body_of_another_json_has_its_media_type_as_a_header() {
    let block = first(
        "paths: {/x: {patch: {requestBody: {content: {application/json-patch+json: {schema: {}}, application/merge-patch+json: {schema: {type: object, properties: {a: {type: string}}}}}}}}}",
    );
    assert_eq!(
        line(&block.unwrap(), "headers"),
        "headers = { Content-Type = \"application/merge-patch+json\" }"
    );
}

#[test]
fn of_alternatives_a_query_takes_those_that_are_no_objects() {
    let created = "{name: created, in: query, schema: {anyOf: [{type: object}, {type: integer}]}}";
    let block = with_parameter(created).unwrap();
    assert_eq!(line(&block, "created"), "created = { type = \"integer\" }");
    assert_eq!(
        line(&block, "# Left out"),
        "# Left out: an alternative of `created`: it may be an object, which a query does not take."
    );
}

#[test]
fn an_empty_body_is_none() {
    let block = first(
        "paths: {/x: {get: {requestBody: {content: {application/x-www-form-urlencoded: {schema: {type: object, properties: {}}}}}}}}",
    );
    assert!(!block.unwrap().contains("Left out"));
}

#[test]
fn servers_are_those_of_the_operation_with_their_defaults() {
    let block = first(
        "paths: {/x: {get: {servers: [{url: 'https://{region}.example.com', variables: {region: {default: eu}}}]}}}",
    );
    assert_eq!(
        line(&block.unwrap(), "url"),
        "url = \"https://eu.example.com/x\""
    );
}

#[test]
fn each_thing_that_a_team_file_cannot_say_is_a_reason() {
    let paths = |rest: &str| first(&format!("paths: {{/x: {{{rest}}}}}"));
    let body = |media: &str| {
        paths(&format!(
            "post: {{requestBody: {{content: {{{media}: {{schema: {{type: object}}}}}}}}}}"
        ))
    };
    assert_refused(&paths("head: {}"), "a tool cannot have the method HEAD");
    assert_refused(
        &body("multipart/form-data"),
        "its body is multipart/form-data, and Baton sends JSON",
    );
    assert_refused(
        &with_body("{type: array, items: {type: string}}", ""),
        "its body is a list",
    );
    assert_refused(&with_body("{type: file}", ""), "the type \"file\"");
    assert_refused(
        &paths(
            "get: {requestBody: {required: true, content: {application/json: {schema: {type: object}}}}}",
        ),
        "it has a body with GET",
    );
    assert_refused(
        &with_parameter("{name: c, in: cookie, required: true, schema: {type: string}}"),
        "it needs \"c\" in its cookie: Baton sends no cookie parameters",
    );
    assert_refused(
        &with_parameter(
            "{name: f, in: query, required: true, style: deepObject, schema: {type: object}}",
        ),
        "it may be an object, which a query does not take",
    );
    assert_refused(
        &first(
            "paths: {'/x/{ids}': {get: {parameters: [{name: ids, in: path, required: true, schema: {type: array, items: {type: string}}}]}}}",
        ),
        "it may be an array",
    );
    assert_refused(
        &first(
            "security: [{k: []}]\npaths: {/x: {get: {}}}\ncomponents: {securitySchemes: {k: {type: apiKey, in: query, name: key}}}",
        ),
        "it wants a credential outside of the headers (k)",
    );
    assert_refused(
        &with_body(
            "{type: object, required: [v], properties: {v: {enum: [{a: null}]}}}",
            "",
        ),
        "null inside",
    );
    let no_server = first_of("openapi: 3.0.0\npaths: {/x: {get: {}}}");
    assert_refused(
        &no_server,
        "the document names no server; name one with --server",
    );
    let relative = first_of("openapi: 3.0.0\nservers: [{url: /v1}]\npaths: {/x: {get: {}}}");
    assert_refused(
        &relative,
        "the server \"/v1\" of the document does not begin with https://",
    );
}

#[test]
fn a_pattern_that_baton_cannot_use_is_a_reason() {
    let found = with_body(
        "{type: object, required: [p], properties: {p: {type: string, pattern: '['}}}",
        "",
    );
    assert_refused(&found, "a team file cannot have it");
}

#[test]
fn schemas_without_bound_are_refused() {
    let wide: Vec<_> = (0..1_100)
        .map(|number| format!("p{number}: {{type: string}}"))
        .collect();
    let found = with_body(
        &format!("{{type: object, properties: {{{}}}}}", wide.join(", ")),
        "",
    );
    assert_refused(&found, "more than 1000 schemas");
    let deep = format!(
        "{}{{type: string}}{}",
        "{type: array, items: ".repeat(30),
        "}".repeat(30)
    );
    let found = with_body(
        &format!("{{type: object, required: [d], properties: {{d: {deep}}}}}"),
        "",
    );
    assert_refused(&found, "more than 24 schemas inside of each other");
}

#[test]
fn other_documents_are_refused_by_name() {
    assert_refused(&first_of("swagger: '2.0'"), "is a Swagger 2.0 document");
    assert_refused(&first_of("openapi: 3.2.0"), "is OpenAPI 3.2.0");
    assert_refused(&first_of("{\"openapi\": 3"), "is not JSON");
    assert_refused(&first_of("a: b"), "has no version `openapi`");
    assert_refused(&first_of("[]"), "it is no object");
}
