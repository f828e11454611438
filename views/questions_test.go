package views

import (
	"testing"
	"time"

	"github.com/a-h/templ"

	"bitb/domain"
	"bitb/domain/questions"
	"bitb/domain/retrieve"
)

func someOverview() questions.Overview {
	settings := retrieve.Settings{Threshold: 0.25, Limit: 8, Search: retrieve.Both}
	o := questions.Overview{All: 48, Missed: 4, Refused: 2, Worse: 2, Matching: 48, Threshold: 0.25}
	for i := range 20 {
		r := questions.Run{ID: nth(700 + i), Reason: []questions.Reason{questions.ByDocuments, questions.BySettings, questions.ByHand, questions.ByQuestions}[i%4], State: questions.Done,
			Searched: retrieve.State{Settings: settings}, CreatedAt: now.Add(-time.Duration(3+i*i*40) * time.Minute), Took: 1240 * time.Millisecond,
			Figures: questions.Figures{Answerable: 40, Unanswerable: 8, NDCG10: 0.91 - 0.01*float64(i%7), Recall5: 0.95, MRR10: 0.9, Success1: 0.85, Answered: 0.92, Refused: 0.75}}
		o.Runs = append(o.Runs, r)
	}
	o.Runs[0].Worse, o.Runs[0].Figures.NDCG10 = 2, 0.86
	o.Runs[6].Worse = 3
	o.Last, o.Before = &o.Runs[0], &o.Runs[1]
	o.Compared = questions.Comparison{Before: questions.Figures{NDCG10: 0.91, Recall5: 0.95, MRR10: 0.9, Success1: 0.85, Answered: 0.95, Refused: 0.5},
		After: questions.Figures{NDCG10: 0.86, Recall5: 0.95, MRR10: 0.88, Success1: 0.8, Answered: 0.92, Refused: 0.75}}
	result := func(rank, documentRank int, best, expected float64) *questions.Result {
		return &questions.Result{Rank: rank, DocumentRank: documentRank, Best: best, Expected: expected}
	}
	ask := func(n int, text string, change func(*questions.Item)) {
		i := questions.Item{Question: questions.Question{ID: nth(800 + n), Text: text, DocumentID: nth(105), Document: "Lost and damaged equipment.pdf"}, Now: result(1, 1, 0.71, 0.71)}
		change(&i)
		o.Items = append(o.Items, i)
	}
	ask(0, "What does a lost paddle cost?", func(i *questions.Item) { i.Page = 3; i.Heading = "2 Returning a boat" })
	ask(1, "Until when is a boat back at the jetty?", func(i *questions.Item) {
		i.Now, i.Before, i.Worse = result(14, 6, 0.44, questions.None), result(1, 1, 0.6, 0.6), true
	})
	ask(2, longGerman, func(i *questions.Item) {
		i.Document, i.Now, i.Before = german, result(0, 0, 0.3, questions.None), result(0, 0, 0.3, questions.None)
	})
	ask(3, longArabic, func(i *questions.Item) {
		i.Document, i.Now, i.Before = arabic, result(1, 1, 0.12, 0.12), result(2, 2, 0.12, 0.12)
	})
	ask(4, "Who won the cup final?", func(i *questions.Item) {
		i.Unanswerable, i.Now = true, &questions.Result{Unanswerable: true, Best: 0.08, Expected: -1}
	})
	ask(5, "How deep is the lake?", func(i *questions.Item) {
		i.Unanswerable, i.Now = true, &questions.Result{Unanswerable: true, Best: 0.41, Expected: -1}
	})
	ask(6, "Is there a shuttle to the station?", func(i *questions.Item) {
		i.DocumentID, i.Document, i.Now = domain.ID{}, "Shuttle 2024.pdf", result(0, 0, 0.2, questions.None)
	})
	ask(7, "Do you sell gift cards?", func(i *questions.Item) { i.Now = nil })
	return o
}

func hostileOverview() questions.Overview {
	o := someOverview()
	for i := range o.Items {
		o.Items[i].Text, o.Items[i].Document, o.Items[i].Heading = hostile, hostile, hostile
	}
	o.Filter.Show, o.Runs[2].Reason = hostile, questions.Reason(hostile)
	return o
}

func someCalibration() *questions.Calibration {
	var results []questions.Result
	for i := range 60 {
		s := float64(i%30)/40 + 0.1
		results = append(results, questions.Result{Best: s + 0.1, Expected: s + 0.1})
		if i%6 == 0 {
			results = append(results, questions.Result{Unanswerable: true, Best: s * 0.6, Expected: questions.None}, questions.Result{Best: s * 0.7, Expected: questions.None})
		}
	}
	c := questions.Calibrate(results)
	return &c
}

func questionExamples(add func(string, string, bool, templ.Component)) {
	p := somebody(domain.Owner, "/questions")
	p.Worse = 2
	busy := someOverview()
	busy.Open = &questions.Run{State: questions.Running, Done: 120, Total: 480, Reason: questions.ByDocuments}
	busy.Runs[0].Without = 7
	first := questions.Overview{All: 3, Matching: 3, Due: questions.ByQuestions, Items: someOverview().Items[:2]}
	first.Items[0].Now, first.Items[1].Now = nil, nil
	none := someOverview()
	none.Items, none.Matching, none.Filter.Show = nil, 0, "worse"
	add("Questions", "full", true, Questions(p, someOverview()))
	add("Questions", "busy", true, Questions(p, busy))
	add("Questions", "first", true, Questions(p, first))
	add("Questions", "none", true, Questions(p, none))
	add("Questions", "empty", true, Questions(p, questions.Overview{}))
	add("Questions", "viewer", true, Questions(somebody(domain.Viewer, "/questions"), someOverview()))
	add("Questions", "hostile", true, Questions(hostilePage("/questions"), hostileOverview()))
	add("QuestionProgress", "running", false, QuestionProgress(busy.Open, ""))
	add("QuestionProgress", "hostile", false, QuestionProgress(&questions.Run{State: questions.Running, Reason: questions.Reason(hostile), Done: -1}, ""))
	add("QuestionProgress", "waiting", false, QuestionProgress(&questions.Run{State: questions.Waiting}, ""))

	bad := domain.InvalidField("document", "No document is called “"+hostile+"”.")
	wrong := &questions.Added{New: 40, Same: 2}
	for i := range 5 {
		wrong.Wrong = append(wrong.Wrong, questions.Wrong{Line: questions.Line{Number: 7 + i, Text: longGerman}, Message: "No document is called “" + german + "”."})
	}
	hostileAdded := &questions.Added{Wrong: []questions.Wrong{{Line: questions.Line{Number: 1, Text: hostile}, Message: hostile}}}
	add("NewQuestion", "empty", true, NewQuestion(p, NewQuestionView{Names: []string{german, arabic}}))
	add("NewQuestion", "full", true, NewQuestion(p, NewQuestionView{Question: longArabic, Document: arabic, Found: []FoundDocument{{nth(1), arabic}, {nth(2), german}}}))
	add("NewQuestion", "wrong", true, NewQuestion(p, NewQuestionView{Added: wrong, List: "a,b\nc,d"}))
	add("NewQuestion", "hostile", true, NewQuestion(hostilePage("/questions/new"), NewQuestionView{Question: hostile, Document: hostile, Page: hostile, Heading: hostile,
		Found: []FoundDocument{{nth(1), hostile}}, Names: []string{hostile}, Err: bad, Added: hostileAdded, List: hostile, ListErr: domain.InvalidField("list", hostile)}))

	add("Threshold", "full", true, Threshold(p, ThresholdView{Calibration: someCalibration(), Now: 0.25, Accepted: 0.05}))
	add("Threshold", "empty", true, Threshold(p, ThresholdView{Now: 0.25, Accepted: 0.05}))
	one := questions.Calibrate([]questions.Result{{Best: 1, Expected: questions.None}})
	add("Threshold", "one", true, Threshold(somebody(domain.Viewer, "/questions/threshold"), ThresholdView{Calibration: &one, Now: 0.25, Accepted: 0}))
	add("Threshold", "hostile", true, Threshold(hostilePage("/questions/threshold"), ThresholdView{Calibration: someCalibration(), Now: 7, Accepted: -3, Err: domain.InvalidField("accept", hostile)}))
}

// compared is a last test that was made for a reason, with the index and the threshold that it found.
func compared(why questions.Reason, index int64, threshold float64) questions.Overview {
	o := someOverview()
	o.Last.Reason, o.Last.Searched.IndexVersion, o.Last.Searched.Settings.Threshold = why, index, threshold
	return o
}

func TestQuestionWords(t *testing.T) {
	o := someOverview()
	for want, got := range map[string]string{
		"1st → 6th":                              placeFact(o.Items[1]),
		"not found":                              placeFact(o.Items[2]),
		"Other passages reach the model":         second(outcomeOf(o.Items[1], 0.25)),
		"Refused":                                second(outcomeOf(o.Items[3], 0.25)),
		"Rightly refused":                        second(outcomeOf(o.Items[4], 0.25)),
		"Answered from something":                second(outcomeOf(o.Items[5], 0.25)),
		"7.5\u00a0%":                             percentage(0.075),
		"0\u00a0%":                               percentage(0),
		"It was made because documents changed.": madeBecause(o), "It was made because settings changed.": madeBecause(compared(questions.BySettings, 0, 0.3)),
		"It was made because settings changed. Since the one before, documents and settings changed.":          madeBecause(compared(questions.BySettings, 4, 0.3)),
		"It was made by hand. Since the one before, documents changed.":                                        madeBecause(compared(questions.ByHand, 4, 0.25)),
		"This test went worse than the one before: nDCG@10 went from 0.91 to 0.86, and 2 questions got worse.": worseFact(o),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if text, kind := ledger(o)[0].change(); text != "−0.05" || kind != "down" {
		t.Errorf("nDCG changed %q %q", text, kind)
	}
	if text, kind := ledger(o)[5].change(); text != "+25 points" || kind != "up" {
		t.Errorf("refusals changed %q %q", text, kind)
	}
}

func second(_, word string) string { return word }
