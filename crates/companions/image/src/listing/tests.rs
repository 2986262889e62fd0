use super::*;

const PAGES: Pages = Pages {
    default: 25,
    max: 1000,
};

fn parse(text: &str) -> Result<Listing, Fault> {
    Listing::parse(&Query::parse(text), PAGES)
}

#[test]
fn without_a_query_the_newest_come_first() {
    let listing = parse("").expect("valid");
    assert_eq!(listing.order[0], (SortKey::CreatedAt, true));
    assert_eq!(listing.limit, 25);
    assert!(listing.filters.is_empty());
}

#[test]
fn an_in_filter_takes_quoted_values_with_commas() {
    let listing = parse("name=in:a,%22b,c%22,d").expect("valid");
    let expected = vec!["a".to_owned(), "b,c".to_owned(), "d".to_owned()];
    assert_eq!(listing.filters, [Filter::Text(TextColumn::Name, expected)]);
    assert!(parse("name=in:%22a").is_err());
    assert!(parse("name=in:%22a%22b").is_err());
}

#[test]
fn both_sort_styles_mean_the_same_but_do_not_mix() {
    let new = parse("sort=name:asc,size:desc").expect("valid").order;
    let old = parse("sort_key=name&sort_dir=asc&sort_key=size&sort_dir=desc")
        .expect("valid")
        .order;
    assert_eq!(new, old);
    assert!(parse("sort=name&sort_key=size").is_err());
    assert!(parse("sort_key=name&sort_dir=asc&sort_dir=desc").is_err());
    assert!(parse("sort=color").is_err());
}

#[test]
fn a_single_direction_counts_for_all_keys() {
    let order = parse("sort_key=name&sort_key=size&sort_dir=asc")
        .expect("valid")
        .order;
    assert_eq!(order[..2], [(SortKey::Name, false), (SortKey::Size, false)]);
}

#[test]
fn times_compare_with_operators() {
    let listing = parse("created_at=gte:2026-01-02T03:04:05Z").expect("valid");
    assert!(matches!(
        listing.filters[0],
        Filter::Created(Comparison::GreaterOrEqual, _)
    ));
    assert!(parse("updated_at=lt:2026-01-02").is_ok());
    assert!(parse("updated_at=lt:yesterday").is_err());
}

#[test]
fn an_unknown_key_is_a_custom_property() {
    let listing = parse("os_distro=debian&tag=a&tag=b").expect("valid");
    assert_eq!(
        listing.filters,
        [
            Filter::Property("os_distro".to_owned(), "debian".to_owned()),
            Filter::Tag("a".to_owned()),
            Filter::Tag("b".to_owned()),
        ]
    );
}

#[test]
fn bad_values_are_refused() {
    for bad in [
        "limit=-1",
        "limit=x",
        "visibility=secret",
        "os_hidden=maybe",
        "protected=1",
        "size_min=-5",
        "member_status=perhaps",
    ] {
        assert!(matches!(parse(bad), Err(Fault::BadRequest(_))), "{bad}");
    }
}

#[test]
fn what_the_table_knows_changes_the_list_or_is_refused_and_is_no_property() {
    let plain = format!("{:?}", parse("").expect("valid"));
    for Parameter { name, fate, .. } in parameters() {
        let said = parse(&format!("{name}=zz"));
        match (fate, said) {
            (Fate::Refused { why, .. }, said) => {
                assert_eq!(said.expect_err(name).to_string(), why);
            }
            (_, Ok(listing)) => {
                assert_ne!(format!("{listing:?}"), plain, "{name}");
                let mut filters = listing.filters.iter();
                assert!(
                    !filters.any(|one| matches!(one, Filter::Property(..))),
                    "{name}"
                );
            }
            (_, Err(_)) => {}
        }
    }
    let other = parse("colour=zz").expect("valid").filters;
    assert_eq!(
        other,
        [Filter::Property("colour".to_owned(), "zz".to_owned())]
    );
}
